//! What a macro calls its own things does not hide what its user calls the same.

#[derive(Debug, PartialEq)]
enum Selected {
    A(u8),
    Mine,
}

#[derive(Debug, PartialEq)]
enum Select {
    Mine,
}

#[test]
fn a_users_type_may_be_called_as_one_of_the_macros() {
    greenloop::run(async {
        let selected = greenloop::select! {
            selected = async { Selected::Mine }, if Selected::A(1) != Selected::Mine => {
                (selected, Selected::A(2), Select::Mine)
            }
        };
        assert_eq!(selected, (Selected::Mine, Selected::A(2), Select::Mine));
        let joined = greenloop::join!(async { Selected::A(3) }, async { Select::Mine });
        assert_eq!(joined, (Selected::A(3), Select::Mine));
    });
}
